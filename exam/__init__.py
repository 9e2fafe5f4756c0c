"""The ground floor of the exam centre: kit, catalogue, people, visits, knowledge and staff."""
