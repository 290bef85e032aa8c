"""Push: samples become tasks of annotators, each exactly once."""
