"""What goes beyond the default run: other sites and settings, the front of CO2 against peak, CityLearn's own KPIs."""
