"""Where the heads of a picture are: our detector and others', its views of a large photo, and how good its boxes are."""
