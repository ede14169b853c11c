"""What happens to one candidate: built, judged, timed, in a process of its own. Studies are unknown here."""
