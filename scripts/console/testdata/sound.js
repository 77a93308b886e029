document.querySelector('input[type=text]').addEventListener('input', (e) => { document.getElementById('out').textContent = e.target.value; });
document.querySelector('button[title]').addEventListener('click', () => setTimeout(() => { document.getElementById('out').textContent = 'closed'; }, 100));
document.querySelector('select').addEventListener('change', (e) => { document.getElementById('out').textContent = e.target.value; });
