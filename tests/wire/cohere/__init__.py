"""The cohere dialect."""
