"""One process under bounds, from any thread, and its certain end."""
