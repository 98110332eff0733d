"""Reference codec of the HYP bitstream: container, generator, decoder and encoder."""
