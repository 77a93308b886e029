console.error('the page is not well');
fetch('/none');
fetch('http://127.0.0.1:9/elsewhere').catch(() => {});
setTimeout(() => { throw new Error('thrown'); }, 0);
