"""Pictures drawn by code and the small models that go with them."""
