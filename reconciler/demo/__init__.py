"""The embedded default: what `reconciler demo` needs so that a first minute needs no cluster."""
