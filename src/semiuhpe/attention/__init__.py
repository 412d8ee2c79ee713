"""Where people's attention goes, from the heads of a video: zones, dwell times, directions, and a report."""
