"""What a network is, how it learns and how it is exported. Imports nothing of service/."""
