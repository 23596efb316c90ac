"""``dragoman bench``: what the service bears, how soon it answers, and what it holds.

The load comes from a process of its own (``service.bench.load``), so that its clock does not wait for the service's.
"""
