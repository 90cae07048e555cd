"""The published models made into folders of this project's layout."""
