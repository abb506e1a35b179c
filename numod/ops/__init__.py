"""The table: declarations of ops, by subject. `numod.functional` gives them their public names and defaults."""
