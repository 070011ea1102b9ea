"""What is measured: a file for each family of loads, all of them in `table`."""
