"""How far the annotation is: counts, the estimated finish, the page."""
