"""A model served over HTTP: what may be asked, who waits for whom, what is counted, and the port itself."""
