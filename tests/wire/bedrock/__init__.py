"""Bedrock Runtime: Converse, ConverseStream, embeddings through InvokeModel."""
