"""One module per verb: options in, one call, words out."""
