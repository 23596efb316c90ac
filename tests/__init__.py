"""Tests, file by file as the packages. A package itself, so that a test can import what is beside it."""
