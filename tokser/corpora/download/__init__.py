"""Download of published corpora: their archives, the transfer, unpacking, and the final folder."""
