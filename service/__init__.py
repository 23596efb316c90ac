"""The FastAPI application: text in, text out, over the engine. Imports model/, never the reverse."""
