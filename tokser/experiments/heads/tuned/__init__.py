"""The upper blocks of an encoder and a head on top, trained together from a stored layer."""
