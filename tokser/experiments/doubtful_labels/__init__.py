"""What features know: targets predicted from every layer by ridge regression in closed form."""
