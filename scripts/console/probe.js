// What the visitor's eyes are: finds what can be seen on a page, and gathers
// the facts that are judged in Go. It changes nothing on the page.
globalThis.probe = (() => {
	const controls = 'button, input:not([type=hidden]), select, textarea, summary, a[href], [role=button], [role=tab], [role=checkbox], [role=switch], [role=menuitem], [role=option], [role=treeitem], [role=combobox], [role=textbox], [tabindex]:not([tabindex="-1"])';

	// seen: it takes up room and is not hidden. What is only for screen
	// readers is a pixel or less, or cut off.
	const seen = (e) => {
		if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true })) return false;
		const r = e.getBoundingClientRect();
		return r.width > 1 && r.height > 1;
	};

	// top is what can be used now: the modal dialog, if one is open.
	const top = () => [...document.querySelectorAll('dialog:modal, [role=dialog][aria-modal=true], [role=alertdialog][aria-modal=true]')].filter(seen).at(-1) ?? document;

	const words = (e) => (e.value !== undefined && /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName) ? e.value : e.innerText ?? e.textContent).replace(/\s+/g, ' ').trim();

	// all that can be seen and fits; text, if given, is all that stands there,
	// or a part of it when nothing says just that.
	const all = (css, text) => {
		const list = [...document.querySelectorAll(css)].filter(seen);
		if (!text) return list;
		const exact = list.filter((e) => words(e) === text || name(e) === text);
		return exact.length ? exact : list.filter((e) => words(e).includes(text));
	};
	const find = (css, text) => all(css, text)[0] ?? null;

	// place is where to click, and whether the click would arrive.
	const place = (css, text) => {
		const e = find(css, text);
		if (!e) return { found: false };
		e.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
		const r = e.getClientRects()[0] ?? e.getBoundingClientRect();
		const x = (Math.max(r.left, 0) + Math.min(r.right, innerWidth)) / 2;
		const y = (Math.max(r.top, 0) + Math.min(r.bottom, innerHeight)) / 2;
		const hit = document.elementFromPoint(x, y);
		const arrives = hit !== null && (e.contains(hit) || hit.contains(e) && hit.closest('label') !== null || [...(e.labels ?? [])].some((l) => l.contains(hit)));
		return { found: true, x, y, arrives, enabled: !e.matches(':disabled, [aria-disabled=true]'), under: hit ? describe(hit) : '' };
	};

	// describe is how to find an element again when reading a report.
	const describe = (e) => {
		let s = e.tagName.toLowerCase();
		if (e.id) s += '#' + e.id;
		if (e.dataset?.test) s += `[data-test=${e.dataset.test}]`;
		else if (typeof e.className === 'string' && e.className) s += '.' + e.className.trim().split(/\s+/).join('.');
		const t = (e.textContent ?? '').replace(/\s+/g, ' ').trim();
		return t ? `${s} "${t.slice(0, 40)}"` : s;
	};

	const spoken = (e) => {
		if (e.nodeType === Node.TEXT_NODE) return e.textContent;
		if (e.nodeType !== Node.ELEMENT_NODE || e.getAttribute('aria-hidden') === 'true' || e.hidden) return '';
		if (e.getAttribute('aria-label')) return e.getAttribute('aria-label');
		if (e.tagName === 'IMG') return e.alt;
		if (e.tagName === 'svg') return e.querySelector('title')?.textContent ?? '';
		return [...e.childNodes].map(spoken).join(' ');
	};

	// name is what a screen reader calls a control. A placeholder is no name.
	const name = (e) => {
		const by = (e.getAttribute('aria-labelledby') ?? '').split(/\s+/).filter(Boolean).map((id) => document.getElementById(id)).filter(Boolean);
		const parts = [
			by.map(spoken).join(' '),
			e.getAttribute('aria-label') ?? '',
			[...(e.labels ?? [])].map(spoken).join(' '),
			e.tagName === 'INPUT' && /^(submit|button|reset)$/.test(e.type) ? e.value : '',
			/^(INPUT|SELECT|TEXTAREA)$/.test(e.tagName) ? '' : spoken(e),
			e.getAttribute('title') ?? '',
		];
		return (parts.find((p) => p.trim()) ?? '').replace(/\s+/g, ' ').trim();
	};

	// rgba is any colour of CSS as four numbers, 0 to 255.
	const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
	const known = new Map();
	const rgba = (colour) => {
		if (!known.has(colour)) {
			canvas.clearRect(0, 0, 1, 1);
			canvas.fillStyle = '#000';
			canvas.fillStyle = colour;
			canvas.fillRect(0, 0, 1, 1);
			known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
		}
		return known.get(colour);
	};

	// behind is what is painted beneath an element's text, the nearest first.
	const behind = (e) => {
		const layers = [];
		let picture = false;
		for (let a = e; a; a = a.parentElement) {
			const s = getComputedStyle(a);
			const c = rgba(s.backgroundColor);
			if (s.backgroundImage !== 'none') picture = true;
			if (c[3] > 0) layers.push(c);
			if (c[3] === 255) return { layers, picture };
			if (a.matches(':modal')) break;
		}
		layers.push(rgba(matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(document.documentElement).colorScheme.includes('dark') ? '#121212' : '#fff'));
		return { layers, picture };
	};

	const opacity = (e) => {
		let o = 1;
		for (let a = e; a; a = a.parentElement) o *= Number(getComputedStyle(a).opacity);
		return o;
	};

	const inactive = (e) => e.closest(':disabled, [aria-disabled=true], [inert]') !== null || [...(e.closest('label')?.querySelectorAll(':disabled') ?? [])].length > 0;

	const textFact = (e, text, pseudo) => {
		const s = getComputedStyle(e, pseudo);
		const svg = e instanceof SVGElement;
		return {
			what: describe(e), text: text.trim().slice(0, 40),
			colour: rgba(svg ? s.fill : s.color), opacity: opacity(e) * (pseudo ? Number(s.opacity) : 1), ...behind(e),
			size: parseFloat(s.fontSize), weight: Number(s.fontWeight),
		};
	};

	const texts = (root) => {
		const list = [];
		const walk = document.createTreeWalker(root === document ? document.body : root, NodeFilter.SHOW_TEXT);
		for (let n = walk.nextNode(); n; n = walk.nextNode()) {
			const e = n.parentElement;
			if (!n.textContent.trim() || /^(SCRIPT|STYLE|NOSCRIPT|OPTION|TITLE)$/i.test(e.tagName) || !seen(e) || inactive(e)) continue;
			list.push(textFact(e, n.textContent));
		}
		for (const e of root.querySelectorAll('input, textarea, select')) {
			if (!seen(e) || inactive(e) || /^(checkbox|radio|range|color|hidden)$/.test(e.type)) continue;
			const empty = e.value === '' && e.placeholder;
			list.push(textFact(e, empty ? e.placeholder : e.value || '(empty)', empty ? '::placeholder' : undefined));
		}
		return list;
	};

	// scrolls reports whether something around e can be scrolled to it, or
	// cuts it off on purpose.
	const scrolls = (e) => {
		for (let a = e.parentElement; a && a !== document.body; a = a.parentElement) {
			if (/auto|scroll/.test(getComputedStyle(a).overflowX)) return true;
		}
		return false;
	};

	const facts = () => {
		const root = top();
		const usable = [...root.querySelectorAll(controls)].filter(seen);
		const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
		return {
			language: document.documentElement.lang, title: document.title,
			headings: [...document.querySelectorAll('h1')].filter((e) => e.checkVisibility()).length,
			mains: [...document.querySelectorAll('main, [role=main]')].filter((e) => e.checkVisibility()).length,
			repeated: [...new Set(ids.filter((id, i) => ids.indexOf(id) !== i))],
			dangling: [...document.querySelectorAll('[aria-labelledby], [aria-describedby], [for]')].filter(seen)
				.flatMap((e) => ['aria-labelledby', 'aria-describedby', 'for'].flatMap((a) => (e.getAttribute(a) ?? '').split(/\s+/).filter((id) => id && !document.getElementById(id)).map((id) => `${describe(e)} ${a}=${id}`))),
			pictures: [...document.querySelectorAll('img:not([alt]), svg:not([aria-hidden=true]):not([role=img])')].filter(seen).map(describe),
			controls: [...usable, ...[...root.querySelectorAll('[role=img]')].filter(seen)].map((e) => ({ what: describe(e), name: name(e) })),
			width: document.documentElement.clientWidth, needed: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
			outside: usable.filter((e) => { const r = e.getBoundingClientRect(); return (r.right > innerWidth + 1 || r.left < -1) && !scrolls(e); }).map(describe),
			wide: [...document.body.querySelectorAll('*')].filter((e) => seen(e) && e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e)).slice(0, 5).map(describe),
			texts: texts(root),
		};
	};

	// stopwatch measures from the next press of a button or key to the frame
	// in which what is waited for can be seen.
	const stopwatch = (css, text) => {
		const watch = (globalThis.probe.watch = { took: -1 });
		const start = () => {
			const begin = performance.now();
			removeEventListener('pointerdown', start, true);
			removeEventListener('keydown', start, true);
			const look = () => {
				if (find(css, text)) watch.took = performance.now() - begin;
				else requestAnimationFrame(look);
			};
			requestAnimationFrame(look);
		};
		addEventListener('pointerdown', start, true);
		addEventListener('keydown', start, true);
	};

	// frames notes how long each frame takes until it is called again.
	let frames = null;
	const record = (css) => {
		frames = { times: [], rows: 0 };
		let last = performance.now();
		const mine = frames;
		const next = (now) => {
			if (mine !== frames) return;
			mine.times.push(now - last);
			mine.rows = Math.max(mine.rows, document.querySelectorAll(css).length);
			last = now;
			requestAnimationFrame(next);
		};
		requestAnimationFrame(next);
	};
	const recorded = () => {
		const done = frames;
		frames = null;
		return { times: done.times.slice(1), rows: done.rows };
	};

	// focus is what has the keyboard, and whether an outline shows that, its own
	// or that of what it is the inside of.
	const focus = () => {
		let e = document.activeElement;
		const active = e?.getAttribute?.('aria-activedescendant');
		if (active) e = document.getElementById(active) ?? e;
		if (!e || e === document.body) return { what: '', name: '', test: '', visible: false };
		const mark = (a) => {
			const s = getComputedStyle(a);
			return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1 && rgba(s.outlineColor)[3] > 100;
		};
		const box = e.getBoundingClientRect();
		const within = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
		return { what: describe(e), name: name(e), text: words(e), test: e.closest('[data-test]')?.dataset.test ?? '', visible: within && (mark(e) || mark(e.parentElement)) };
	};

	// settled waits until what was changed is drawn, and nothing moves but what
	// moves for ever.
	const moves = (a) => a.playState === 'running' && a.effect?.getComputedTiming().iterations !== Infinity;
	const settled = async () => {
		for (let frame = 0; frame < 120; frame++) {
			await new Promise(requestAnimationFrame);
			if (frame >= 2 && !document.getAnimations().some(moves)) return true;
		}
		return false;
	};

	return { all, find, words, name, place, facts, stopwatch, record, recorded, focus, seen, settled };
})();
