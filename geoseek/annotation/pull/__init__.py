"""Pull: what annotators did comes into the ledger, every version of it."""
