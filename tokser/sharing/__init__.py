"""Stores and models shared: pushed to the hub, a bucket or a folder, and pulled from there."""
