"""The Python suite: ``python3 -m unittest discover -s python/tests -t python``; part of ``npm test``."""
