"""From rows to one vector an utterance: moments over frames or tokens, and their scaling."""
