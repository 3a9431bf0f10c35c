"""What people see of the plant: pages, lists, media and live changes, read from the record."""
