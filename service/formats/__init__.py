"""The formats of files that can be translated, a module each, and what they have in common."""
