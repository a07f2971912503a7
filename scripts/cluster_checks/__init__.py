"""What can be wrong with a cluster, one family of checks a file."""
