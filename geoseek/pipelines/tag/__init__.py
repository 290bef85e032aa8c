"""Locatability and scene tags of the samples: from annotators, from a vision-language model, or from both."""
