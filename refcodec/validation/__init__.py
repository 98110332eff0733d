"""Whether a file keeps all bitstream requirements: findings by requirement id, with their places."""

from refcodec.validation.findings import Finding, ValidationReport
from refcodec.validation.validating import validate

__all__ = ["Finding", "ValidationReport", "validate"]
