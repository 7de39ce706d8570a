"""How alike layers of encoders are: linear CKA, and ridge regression from one to another."""
