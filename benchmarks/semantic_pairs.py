"""Pairs of questions for the semantic cache: such that one answer serves both, and such that look alike and differ.

Written for this benchmark. The near misses differ in what small embedding models are known to see little of: a
negation, a number, a name, a direction, a unit, a time, who does what to whom.
"""

SAME = (
    ("What is the capital of Japan?", "Which city is Japan's capital?"),
    ("How do I reset my password?", "I forgot my password. How can I reset it?"),
    ("How do I reverse a list in Python?", "What's the way to reverse a Python list?"),
    ("What is the boiling point of water at sea level?", "At which temperature does water boil at sea level?"),
    ("Who wrote Pride and Prejudice?", "Who is the author of Pride and Prejudice?"),
    ("How can I cancel my subscription?", "What do I have to do to cancel my subscription?"),
    ("Explain photosynthesis in simple words.", "Can you explain photosynthesis simply?"),
    ("What does HTTP status 404 mean?", "What is the meaning of HTTP status code 404?"),
    ("How many bones are in the adult human body?", "What is the number of bones in an adult human's body?"),
    ("What are your opening hours?", "When are you open?"),
    ("Where can I download my invoice?", "How do I get my invoice as a download?"),
    ("Translate 'good morning' into French.", "How do you say 'good morning' in French?"),
    ("What is the difference between TCP and UDP?", "How do TCP and UDP differ?"),
    ("How do I exit vim?", "How can I quit vim?"),
    ("What is the largest planet in the solar system?", "Which planet of our solar system is the largest?"),
    ("Do you ship to Canada?", "Is shipping to Canada possible?"),
    ("How long does delivery take?", "How many days until my order arrives?"),
    ("Give me a recipe for pancakes.", "How do I make pancakes?"),
    ("What is compound interest?", "Can you tell me what compound interest is?"),
    ("How do I undo the last git commit?", "What is the command to undo my last git commit?"),
    ("Why is the sky blue?", "What makes the sky blue?"),
    ("How do I change my email address?", "Where can I update the email address of my account?"),
    ("When was the Eiffel Tower built?", "In which year was the Eiffel Tower built?"),
    ("What is the speed of light?", "How fast does light travel?"),
)

DIFFERENT = (
    ("What is the capital of Japan?", "What is the capital of China?"),
    ("What is the capital of Australia?", "What is the capital of Austria?"),
    ("What is 12 * 7?", "What is 12 * 8?"),
    ("How do I enable two-factor authentication?", "How do I disable two-factor authentication?"),
    ("Is it safe to take aspirin with alcohol?", "Is it safe to take ibuprofen with alcohol?"),
    ("Which foods are good for diabetics?", "Which foods are not good for diabetics?"),
    ("Convert 100 dollars to euros.", "Convert 100 euros to dollars."),
    ("Who won the World Cup in 2014?", "Who won the World Cup in 2018?"),
    ("How do I sort a list in ascending order?", "How do I sort a list in descending order?"),
    ("Translate 'good morning' into French.", "Translate 'good morning' into Spanish."),
    ("What is the boiling point of water?", "What is the freezing point of water?"),
    ("Can I return an item that I have opened?", "Can I return an item that I have not opened?"),
    ("How do I encrypt a file with openssl?", "How do I decrypt a file with openssl?"),
    ("Did Microsoft buy GitHub?", "Did GitHub buy Microsoft?"),
    ("How tall is Mount Everest in feet?", "How tall is Mount Everest in meters?"),
    ("What was the weather yesterday?", "What will the weather be tomorrow?"),
    ("How do I add a user to a group in Linux?", "How do I remove a user from a group in Linux?"),
    ("Is Python 2 still supported?", "Is Python 3 still supported?"),
    ("What are the advantages of nuclear power?", "What are the disadvantages of nuclear power?"),
    ("Is the number 91 prime?", "Is the number 97 prime?"),
    ("My flight leaves at nine. When should I be there?", "My flight leaves at five. When should I be there?"),
    ("How do I upgrade my plan?", "How do I downgrade my plan?"),
    ("Does this medicine cause drowsiness?", "Does this medicine cure drowsiness?"),
    ("Write a positive review of this restaurant.", "Write a negative review of this restaurant."),
)
