"""The peers: the same rows and durability without our house, written as their own documentation would."""
