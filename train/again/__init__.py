"""Trainings once more: from the certificate of an export, or with an edit of the dataset."""
