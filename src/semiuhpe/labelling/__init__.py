"""Labels for heads that have none: committees of pose networks and a face mesh, each label with its noise and its origin."""
