"""Storage: the ports, their limits and the Azure backend."""
