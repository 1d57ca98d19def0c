"""The machine around the studies: REST, storage, workers, command line."""
