"""Ring 2: the edges. Each hides one library or service, speaks our types, raises our errors; none imports another."""
