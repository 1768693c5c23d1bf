"""How each part of the model is learned; what is learned is a value in the module of the same name above."""
