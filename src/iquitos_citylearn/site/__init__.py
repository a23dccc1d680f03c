"""What stands in Iquitos: weather, PV, mall, sessions, equipment, and how they become CityLearn files."""
