export const items = ['one', 'two'];
