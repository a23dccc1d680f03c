"""Does learned charging control cut CO2 and cost at a mall in Iquitos? A pipeline that answers it repeatably."""
