"""Where decoded pictures go: Y4M, raw planes, any file that libavformat writes, hashes."""

from refcodec.decoder.sinks.hashes import picture_hashes
from refcodec.decoder.sinks.output import WriteReport, write

__all__ = ["WriteReport", "picture_hashes", "write"]
