"""The site in Iquitos: weather, PV, mall, sessions, equipment, and the CityLearn files made of them."""
