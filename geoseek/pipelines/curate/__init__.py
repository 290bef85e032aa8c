"""`geoseek curate`: choose one annotation per sample, bring it into the standard form, check it."""
