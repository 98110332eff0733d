"""The H.264 substrate: parameter sets, access units, and the injected I_PCM IDR picture."""
