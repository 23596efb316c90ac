"""What a user of the benchmark can mend."""


class BenchError(Exception):
    """A measurement that cannot be made; the message says why in a sentence."""
