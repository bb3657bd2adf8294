"""One catalogue for all workers and nodes: kept in the store, published there, followed by every process."""
