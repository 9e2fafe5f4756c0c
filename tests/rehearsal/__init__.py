"""The rehearsal's people: are their values possible, consistent, and as common as in a real centre?"""
