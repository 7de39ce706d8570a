"""The commands as functions: `tokser.extract`, `pool`, `pretrain`, `align`, `classify` and so on.

A function takes the settings of its command as keywords, under the names of the settings or of the
options, calls the same stage, and returns what the stage left behind as an object. They are
reached as `tokser.NAME`, which imports this package when it is needed first.
"""
