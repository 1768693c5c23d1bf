"""The training table and the model: kept in ConfigMaps, fitted in a child process, published with their errors."""
